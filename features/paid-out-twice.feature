@lp:paid-out-twice
Feature: A merchant is paid once for a bill
  The channel has paid and its answer is lost. Who asks again under another number has paid twice,
  and the merchant is not bound to say so.

  Background:
    Given merchant "M-1" is paid into account "A-1"
    And bill "B-1" of 500.00 CNY is open for merchant "M-1"

  Rule: A second payout of a bill stops the merchant's payouts

    @tier:gate
    Scenario: The answer is lost, and the retry takes a new number
      Given fault "app.merchant-payout.retried-anew" is active
      When bill "B-1" is paid out
      Then alert "paid-out-twice" is raised in time for merchant "M-1"
      And the alert puts 500.00 CNY at risk
      And plan "payout-breaker" is effective in time for merchant "M-1"
      And no other alert is raised
      And the loss is at most 500.00 CNY

    @control @tier:gate
    Scenario: The answer is lost, and the retry keeps its number
      Given fault "app.merchant-payout.retried-alike" is active
      When bill "B-1" is paid out
      Then no alert is raised

  Rule: Two bills are two payouts

    @control @tier:nightly
    Scenario: Two bills of the same amount for the same merchant
      Given bill "B-2" of 500.00 CNY is open for merchant "M-1"
      When bill "B-1" is paid out
      And bill "B-2" is paid out
      Then no alert is raised
