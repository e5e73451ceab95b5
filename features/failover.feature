@tier:nightly
Feature: A loss is told while the books change hands
  The machine that keeps the books dies in the middle of a day's trade, and its copy takes over within seconds. Whoever watches must read on
  there: nothing that was sold before, meanwhile or afterwards may pass unseen, and nothing may be counted twice.

  @lp:bid-below-market
  Rule: A lost digit is caught by whoever reads on

    Background:
      Given item "SKU-1" has a 7-day median of 1,999.00 CNY
      And fault "app.price-guard.bypassed" is active

    Scenario: The books change hands just before a digit is lost
      When fault "mysql.server.failed-over" strikes
      And a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And the alert puts 1,799.10 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised

    @control
    Scenario: The books change hands just before an honest bid
      When fault "mysql.server.failed-over" strikes
      And a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
      Then no alert is raised

  @lp:paid-order-unpaid
  Rule: A payment from before is missed by whoever reads on

    Background:
      Given order "O-1" awaits payment of 199.00 CNY

    Scenario: The callback is lost, and the books change hands before anybody misses it
      Given fault "app.payment-callback.dropped" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      And fault "mysql.server.failed-over" strikes
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "backfill-payment" is effective in time for order "O-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: The callback is late, and the books change hands before it comes
      Given fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      And fault "mysql.server.failed-over" strikes
      Then no alert is raised
