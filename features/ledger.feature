@lp:ledger-out-of-balance @tier:gate
Feature: What arrives in one account has left another
  A transfer that is booked for its payee alone makes money out of nothing, and the payer can spend the same again.

  Background:
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 0.00 CNY

  Rule: A transfer with one leg freezes the payer's account

    Scenario: The payer's leg is lost
      Given fault "app.wallet.leg-lost" is active
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      Then alert "ledger-out-of-balance" is raised in time for account "W-1"
      And the alert puts 30.00 CNY at risk
      And plan "freeze-account" is effective in time for account "W-1"
      And no other alert is raised
      And the loss is at most 30.00 CNY

    @control
    Scenario: The payer's leg is booked in a transaction of its own, right after
      Given fault "app.wallet.leg-split" is active
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      Then no alert is raised

  Rule: Money that goes round is no loss

    @control
    Scenario: The same amount there and back
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      And 30.00 CNY is transferred from account "W-2" to account "W-1"
      Then no alert is raised
