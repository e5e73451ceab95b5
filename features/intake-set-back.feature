@lp:refund-paid-twice
Feature: Approvals that are read again are paid once
  Somebody sets the intake of approved refunds back by hand, to mend something else. Who pays for each reading has
  paid twice.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And fault "app.refund-payout.not-idempotent" is active

  Rule: A second payout freezes further refunds through that channel

    @tier:gate
    Scenario: The intake is set back to before the last approval
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      And fault "kafka.offsets.rewound" strikes
      Then alert "refund-paid-twice" is raised in time for refund "R-1"
      And the alert puts 199.00 CNY at risk
      And plan "refund-breaker" is effective in time for channel "alipay"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: The intake is started again where it stood
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      And fault "kafka.offsets.kept" strikes
      Then no alert is raised
