@lp:stock-oversold
Feature: The last piece is sold once
  Two buyers pay for the last piece at the same moment, and only one can have it.

  Rule: A piece that is not there takes the item off sale

    @tier:gate
    Scenario: Two buyers and one piece
      Given item "SKU-1" with a 7-day median of 1,999.00 CNY has 1 piece left
      And a seller offers 5 pieces of item "SKU-1" at 1,999.00 CNY each
      And fault "app.stock.unchecked" is active
      When 2 buyers buy item "SKU-1" through channel "alipay" at once
      Then alert "stock-oversold" is raised in time for item "SKU-1"
      And the alert puts 1,999.00 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised
      And the loss is at most 1,999.00 CNY

    @tier:gate @control
    Scenario: Two buyers and two pieces
      Given item "SKU-1" with a 7-day median of 1,999.00 CNY has 2 pieces left
      And a seller offers 5 pieces of item "SKU-1" at 1,999.00 CNY each
      And fault "app.stock.unchecked" is active
      When 2 buyers buy item "SKU-1" through channel "alipay" at once
      Then no alert is raised

  Rule: A shop that holds the stock sells no more than there is

    @control @tier:nightly
    Scenario: Five buyers, and one of them wins
      Given item "SKU-1" with a 7-day median of 1,999.00 CNY has 1 piece left
      And a seller offers 5 pieces of item "SKU-1" at 1,999.00 CNY each
      When 5 buyers buy item "SKU-1" through channel "alipay" at once
      Then no alert is raised
