@tier:gate
Feature: The watcher is watched
  Whoever guards the money can fail in silence, and silence looks exactly like health: each part
  of the watcher owes a word about itself.

  @lp:reconciler-silent
  Rule: A reconciler that stands still is told by somebody else

    Background:
      Given order "O-1" was paid 199.00 CNY through channel "alipay"
      And a watchdog watches the reconciler

    Scenario: The reconciler is stopped in mid-work
      When fault "process.dcheck.paused" strikes
      Then alert "reconciler-silent" is raised in time for part "reconciler"
      And no other alert is raised

    @control
    Scenario: The reconciler stops for a moment and goes on
      When fault "process.dcheck.paused-briefly" strikes
      Then no alert is raised

    @control
    Scenario: The reconciler is restarted, as at each release
      When fault "process.dcheck.restarted" strikes
      Then no alert is raised

  @lp:reconciler-lagging
  Rule: A reconciler that reads too late says so

    Background:
      Given order "O-1" was paid 199.00 CNY through channel "alipay"

    Scenario: Changes arrive later than the smallest window
      When fault "link.binlog.slow" strikes
        | delay | 40 s |
      Then alert "reconciler-lagging" is raised in time for source "binlog"
      And no other alert is raised

    @control
    Scenario: Changes arrive late, and within the smallest window
      When fault "link.binlog.slow" strikes
        | delay | 2 s |
      Then no alert is raised

  @lp:rules-reload-refused
  Rule: A broken rule file is refused whole

    Background:
      Given item "SKU-1" has a 7-day median of 1,999.00 CNY

    Scenario: A rule file with mistakes is loaded
      When fault "watcher.rules.broken" strikes
      Then alert "rules-reload-refused" is raised in time for part "rules"
      And no other alert is raised

    @control
    Scenario: A rule file in good order is loaded
      When fault "watcher.rules.changed" strikes
      Then no alert is raised
