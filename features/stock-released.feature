@lp:stock-released-twice
Feature: An order gives its goods back once
  The buyer cancels in the moment in which the order times out; both give the piece back, and it is sold twice.

  Background:
    Given item "SKU-1" with a 7-day median of 1,999.00 CNY has 5 pieces left
    And a seller offers 5 pieces of item "SKU-1" at 1,999.00 CNY each
    And order "O-1" for item "SKU-1" waits for its payment
    And fault "app.order-close.unguarded" is active

  Rule: A second release takes the item off sale

    @tier:gate
    Scenario: The buyer cancels, and the order times out
      When order "O-1" is closed by 2 at once
      Then alert "stock-released-twice" is raised in time for order "O-1"
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised
      And the loss is at most 1,999.00 CNY

    @tier:gate @control
    Scenario: The buyer cancels
      When order "O-1" is closed by 1 at once
      Then no alert is raised

  Rule: What was given back can be sold again

    @control @tier:nightly
    Scenario: The piece of a cancelled order is bought by another
      When order "O-1" is closed by 1 at once
      And 5 buyers buy item "SKU-1" through channel "alipay" at once
      Then no alert is raised
