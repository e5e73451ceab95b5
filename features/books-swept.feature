@lp:coupon-redeemed-twice @tier:gate
Feature: What was missed during the day is found in the books
  A flood takes a rule past its limit, and what comes above it is not judged. The books of the day still hold it: the
  sweep judges them by the same rules, and tells once what nobody has told.

  Background:
    Given coupon "C-1" of 50.00 CNY belongs to activity "A-1"
    And fault "app.coupon.use-unchecked" is active
    And fault "watcher.rules.limited" is active
      | rule       | coupon-redeemed-twice |
      | per minute | 1                     |

  Scenario: The second order on a coupon is above the rule's limit
    When coupon "C-1" is redeemed by 2 orders at once
    And the books of the day are swept
    Then alert "coupon-redeemed-twice" is raised in time for coupon "C-1"
    And the alert puts 50.00 CNY at risk
    And no other alert is raised

  @control
  Scenario: One order on a coupon, which the rule may take
    When coupon "C-1" is redeemed by 1 order at once
    And the books of the day are swept
    Then no alert is raised
