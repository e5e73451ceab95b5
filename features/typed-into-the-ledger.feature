Feature: A leg of a transfer stays as it was booked
  Who may write into the ledger can make money without a transfer: a leg twice, a leg less, a leg under another name.

  Background:
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 0.00 CNY

  @tier:nightly
  Rule: A leg that is booked once more

    @lp:ledger-out-of-balance
    Scenario: A leg stands there twice
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      And fault "data.wallet-leg.doubled" strikes
      And 1.00 CNY is transferred from account "W-1" to account "W-2"
      Then alert "ledger-out-of-balance" is raised in time for account "W-1"
      And the alert puts 30.00 CNY at risk
      And no other alert is raised

    @lp:ledger-out-of-balance @control
    Scenario: A leg stands there once, at another time
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      And fault "data.wallet-leg.redated" strikes
      And 1.00 CNY is transferred from account "W-1" to account "W-2"
      Then no alert is raised

  @tier:gate
  Rule: A leg that is rewritten

    @lp:ledger-rewritten
    Scenario Outline: A leg is <what>
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      And fault "<fault>" strikes
      And 1.00 CNY is transferred from account "W-1" to account "W-2"
      Then alert "ledger-rewritten" is raised in time for account "W-1"
      And the alert puts 30.00 CNY at risk
      And plan "freeze-account" is effective in time for account "W-1"
      And no other alert is raised

      Examples:
        | what                      | fault                       |
        | taken away                | data.wallet-leg.removed     |
        | put under another account | data.wallet-leg.misdirected |

    @lp:ledger-rewritten @control
    Scenario: A leg gets another time, and is worth what it was
      When 30.00 CNY is transferred from account "W-1" to account "W-2"
      And fault "data.wallet-leg.redated" strikes
      And 1.00 CNY is transferred from account "W-1" to account "W-2"
      Then no alert is raised
