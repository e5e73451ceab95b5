@lp:price-unit-mismatch
Feature: An order pays what its bid asks
  One service reckons in yuan and the next in fen: the order sells for a hundredth of the price.

  Background:
    Given item "SKU-1" has a 7-day median of 1,999.00 CNY
    And a seller offers 2 pieces of item "SKU-1" at 1,999.00 CNY each

  Rule: A price in the wrong unit takes the item off sale

    @tier:gate
    Scenario: Yuan are taken for fen
      Given fault "app.order-price.unit-mistaken" is active
      When a buyer buys item "SKU-1" through channel "alipay"
      Then alert "price-unit-mismatch" is raised in time for item "SKU-1"
      And the alert puts 1,979.01 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised
      And the loss is at most 1,979.01 CNY

    @tier:gate @control
    Scenario: The price is carried in fen and turned back
      Given fault "app.order-price.unit-converted" is active
      When a buyer buys item "SKU-1" through channel "alipay"
      Then no alert is raised

  Rule: Each order pays its own bid

    @control @tier:nightly
    Scenario: Two orders from two bids of different prices
      When a seller who means 1,899.00 CNY bids 1,899.00 CNY for item "SKU-1"
      And a buyer buys item "SKU-1" through channel "alipay"
      Then no alert is raised
