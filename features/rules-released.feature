@tier:gate
Feature: A rule is released step by step, and what it leaves out is told
  A new version of a rule shows what it would do before it may wake anybody, and a rule that is given a limit says
  what passes above it.

  @lp:bid-below-market
  Rule: A candidate in the shadow wakes nobody, and the version in force stands guard beside it

    Background:
      Given item "SKU-1" has a 7-day median of 1,999.00 CNY
      And fault "app.price-guard.bypassed" is active
      And fault "watcher.rules.candidate" is active
        | rollout | shadow |

    Scenario: A digit is lost while a stricter candidate is tried
      When a seller who means 1,599.00 CNY bids 159.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And the alert puts 1,839.10 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised

    @control
    Scenario: An honest bid that only the candidate finds too low
      When a seller who means 1,599.00 CNY bids 1,599.00 CNY for item "SKU-1"
      Then no alert is raised

  @lp:rule-shedding
  Rule: What a rule leaves out is told, with its money

    Background:
      Given activity "A-1" has a budget of 1,000.00 CNY
      And fault "watcher.rules.limited" is active
        | rule       | coupon-redeemed-twice |
        | per minute | 3                     |

    Scenario: More coupons are redeemed than the rule may take
      When 8 coupons of 50.00 CNY of activity "A-1" are redeemed
      Then alert "rule-shedding" is raised in time for rule "coupon-redeemed-twice"
      And no other alert is raised

    @control
    Scenario: As many coupons are redeemed as the rule may take
      When 3 coupons of 50.00 CNY of activity "A-1" are redeemed
      Then no alert is raised
