@lp:settled-twice
Feature: An order is settled once
  A settlement that runs again gives the merchant the same order a second time, and the bill that is paid is too high.

  Background:
    Given order "O-1" of merchant "M-1" was paid 199.00 CNY

  Rule: An order that is shared out again stops the merchant's settlement

    @tier:gate
    Scenario: The settlement job is run again
      Given fault "app.settlement.not-idempotent" is active
      When order "O-1" is settled 2 times
      Then alert "settled-twice" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "settlement-breaker" is effective in time for merchant "M-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: The settlement job is run once
      Given fault "app.settlement.not-idempotent" is active
      When order "O-1" is settled 1 time
      Then no alert is raised

  Rule: A sound settlement may be run as often as one likes

    @control @tier:nightly
    Scenario: Four jobs settle the order at once
      When order "O-1" is settled by 4 jobs at once
      Then no alert is raised
