@lp:change-capture-stalled @tier:gate
Feature: A reconciler that reads nothing says that it is blind
  Silence looks exactly like health. Whoever watches the money owes an alert about their own eyes.

  Scenario: The change stream stands still
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    When fault "link.binlog.stalled" strikes
    Then alert "change-capture-stalled" is raised in time for source "binlog"
    And no other alert is raised

  @control
  Scenario: The change stream is slow, and still arrives
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    When fault "link.binlog.slow" strikes
    Then no alert is raised
