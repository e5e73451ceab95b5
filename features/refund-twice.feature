@lp:refund-paid-twice @tier:gate
Feature: A refund is paid out at most once
  Most channels cannot claw back a second payout, so the loss is final.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And fault "app.refund-payout.not-idempotent" is active

  Rule: A second payout freezes further refunds through that channel

    Scenario: The approval is delivered twice, and each delivery pays out
      Given refund "R-1" of 199.00 CNY on order "O-1" is approved
      When the refund-approved message of refund "R-1" is delivered 2 times
      Then alert "refund-paid-twice" is raised in time for refund "R-1"
      And the alert puts 199.00 CNY at risk
      And plan "refund-breaker" is effective in time for channel "alipay"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: The approval is delivered once
      Given refund "R-1" of 199.00 CNY on order "O-1" is approved
      When the refund-approved message of refund "R-1" is delivered 1 time
      Then no alert is raised

  Rule: Genuine partial refunds stay silent

    @control
    Scenario: Two partial refunds that add up to the order are not a loss
      When refund "R-2" of 100.00 CNY on order "O-1" is paid out
      And refund "R-3" of 99.00 CNY on order "O-1" is paid out
      Then no alert is raised
