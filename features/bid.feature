@lp:bid-below-market @tier:gate
Feature: A bid far below the market is off sale before it sells
  A lost digit is found by buyers' scripts within seconds. The shop's own price guard is
  bypassed here: the reconciler is the last one who can see it.

  Background:
    Given item "SKU-1" has a 7-day median of 1,999.00 CNY
    And fault "app.price-guard.bypassed" is active

  Rule: A lost digit takes that item off sale, and only that item

    Scenario: A seller who means 1,999.00 types 199.90
      When a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And the alert puts 1,799.10 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised
      And the loss is at most 0.00 CNY

    @control
    Scenario: A seller who means 1,999.00 types 1,999.00
      When a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
      Then no alert is raised

  Rule: A low price that is meant stays on sale

    @control
    Scenario: An approved clearance at less than a third of the median
      Given clearance "CL-1" of item "SKU-1" is approved
      When a seller who means 599.00 CNY bids 599.00 CNY for item "SKU-1" under clearance "CL-1"
      Then no alert is raised

    @control
    Scenario: An honest cut of 10 percent
      When a seller who means 1,799.10 CNY bids 1,799.10 CNY for item "SKU-1"
      Then no alert is raised

  Rule: Whichever digit is lost, the item goes off sale

    Scenario: A price with a digit lost, drawn from the seed
      When a seller's bid for item "SKU-1" follows the pattern "lost-digit"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised
      And the loss is at most 0.00 CNY

    @control
    Scenario: A price within the market's spread, drawn from the seed
      When a seller's bid for item "SKU-1" follows the pattern "honest-price"
      Then no alert is raised
