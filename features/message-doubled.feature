@lp:refund-paid-twice
Feature: A message that arrives twice is one approval
  What is sent at least once may come twice, and a bad day proves it. Who pays for each delivery has paid twice.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And fault "app.refund-payout.not-idempotent" is active

  Rule: A second payout freezes further refunds through that channel

    @tier:gate
    Scenario: The approval arrives twice
      Given fault "kafka.record.doubled" is active
        | topic   | refund.events  |
        | content | channel=alipay |
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      Then alert "refund-paid-twice" is raised in time for refund "R-1"
      And the alert puts 199.00 CNY at risk
      And plan "refund-breaker" is effective in time for channel "alipay"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: The approval arrives late
      Given fault "kafka.record.late" is active
        | topic   | refund.events  |
        | content | channel=alipay |
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      Then no alert is raised
