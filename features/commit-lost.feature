@lp:refund-paid-twice
Feature: A commit without an answer is no failure
  The shop notes a payout in its books and hears nothing back. The note stands all the same. Who takes the silence for a
  failure and pays under another number has paid twice.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And fault "mysql.commit.ambiguous" is active
      | table | refund_payout |

  Rule: A second payout freezes further refunds through that channel

    @tier:gate
    Scenario: The refund is paid out again under a new number
      Given fault "app.refund-payout.retried-anew" is active
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      Then alert "refund-paid-twice" is raised in time for refund "R-1"
      And the alert puts 199.00 CNY at risk
      And plan "refund-breaker" is effective in time for channel "alipay"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: The refund is paid out again under its own number
      Given fault "app.refund-payout.retried-alike" is active
      When refund "R-1" of 199.00 CNY on order "O-1" is paid out
      Then no alert is raised
