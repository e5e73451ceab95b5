@lp:coupon-redeemed-twice
Feature: A coupon is redeemed once, on a bad day, too
  Losses do not wait for a quiet hour. Whatever else is slow, restarted or away for a moment, the second redemption of one
  coupon is found, and an honest one is left alone.

  Background:
    Given coupon "C-1" of 50.00 CNY belongs to activity "A-1"
    And fault "app.coupon.use-unchecked" is active

  Rule: One attack, found whatever else is slow

    @tier:gate
    Scenario Outline: Two orders redeem one coupon while <what> slow
      Given fault "<fault>" is active
        | delay | <delay> |
      When coupon "C-1" is redeemed by 2 orders at once
      Then alert "coupon-redeemed-twice" is raised in time for coupon "C-1"
      And the alert puts 50.00 CNY at risk
      And plan "stop-activity" is effective in time for activity "A-1"
      And no other alert is raised

      Examples:
        | what                       | fault                       | delay  |
        | changes are                | link.binlog.slow            | 200 ms |
        | the reconciler's reads are | mysql.dcheck-statement.slow | 400 ms |
        | the messages it reads are  | kafka.dcheck-answer.slow    | 400 ms |
        | the orders of a plan are   | link.plans.slow             | 200 ms |

    @tier:gate @control
    Scenario Outline: One order redeems one coupon while <what> slow
      Given fault "<fault>" is active
        | delay | <delay> |
      When coupon "C-1" is redeemed by 1 order at once
      Then no alert is raised

      Examples:
        | what                       | fault                       | delay  |
        | changes are                | link.binlog.slow            | 200 ms |
        | the reconciler's reads are | mysql.dcheck-statement.slow | 400 ms |
        | the messages it reads are  | kafka.dcheck-answer.slow    | 400 ms |
        | the orders of a plan are   | link.plans.slow             | 200 ms |

  Rule: One attack, found amid faults that come and go

    @tier:nightly
    Scenario: Two orders redeem one coupon while faults come and go
      Given these faults come and go:
        | fault                         | first after | lasts       | pause       | times  |
        | link.binlog.stalled           | 0 to 2 acts | 2 to 4 acts | 2 to 3 acts | 2      |
        | link.kafka.slow               | 1 to 4 acts | 3 to 6 acts | 1 act       | 1 to 2 |
        | process.dcheck.paused-briefly | 2 to 5 acts | 1 act       | 2 acts      | 2      |
      When coupon "C-1" is redeemed by 2 orders at once
      Then alert "coupon-redeemed-twice" is raised in time for coupon "C-1"
      And the alert puts 50.00 CNY at risk
      And plan "stop-activity" is effective in time for activity "A-1"
      And no other alert is raised
      And the loss is at most 50.00 CNY

    @tier:nightly @control
    Scenario: A single order redeems one coupon while faults come and go
      Given these faults come and go:
        | fault                         | first after | lasts       | pause       | times  |
        | link.binlog.stalled           | 0 to 2 acts | 2 to 4 acts | 2 to 3 acts | 2      |
        | link.kafka.slow               | 1 to 4 acts | 3 to 6 acts | 1 act       | 1 to 2 |
        | process.dcheck.paused-briefly | 2 to 5 acts | 1 act       | 2 acts      | 2      |
      When coupon "C-1" is redeemed by 1 order at once
      Then no alert is raised

  Rule: One attack, found whatever else is narrow, in pieces or late

    @tier:nightly
    Scenario Outline: Two orders redeem one coupon while <what>
      Given fault "<fault>" is active
      When coupon "C-1" is redeemed by 2 orders at once
      Then alert "coupon-redeemed-twice" is raised in time for coupon "C-1"
      And the alert puts 50.00 CNY at risk
      And plan "stop-activity" is effective in time for activity "A-1"
      And no other alert is raised

      Examples:
        | what                                 | fault                      |
        | changes come in small pieces         | link.binlog.sliced         |
        | the messages it reads pass narrowly  | link.kafka.throttled       |
        | orders of a plan find nobody at once | link.plans.slow-to-connect |
        | alerts hang up late                  | link.alerts.slow-to-close  |

    @tier:nightly @control
    Scenario Outline: One order redeems one coupon while <what>
      Given fault "<fault>" is active
      When coupon "C-1" is redeemed by 1 order at once
      Then no alert is raised

      Examples:
        | what                                 | fault                      |
        | changes come in small pieces         | link.binlog.sliced         |
        | the messages it reads pass narrowly  | link.kafka.throttled       |
        | orders of a plan find nobody at once | link.plans.slow-to-connect |
        | alerts hang up late                  | link.alerts.slow-to-close  |
