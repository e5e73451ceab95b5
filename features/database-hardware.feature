@tier:nightly
Feature: A bad disk or a wrong clock hides no loss
  The machine that keeps the books is part of what may go wrong. A disk that is slow delays the news of a loss, and a clock that
  is wrong must neither hide a loss nor invent one.

  @lp:bid-below-market
  Rule: A bid far below the market is caught on a slow disk

    Background:
      Given item "SKU-1" has a 7-day median of 1,999.00 CNY
      And fault "app.price-guard.bypassed" is active
      And fault "disk.mysql.slow" is active
        | each | 15 ms |

    Scenario: The disk is slow, and a digit is lost
      When a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And no other alert is raised

    @control
    Scenario: The disk is slow, and the bid is honest
      When a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
      Then no alert is raised

  @lp:paid-order-unpaid
  Rule: A lost callback is found by the time that has passed, whatever a clock says

    Background:
      Given order "O-1" awaits payment of 199.00 CNY

    Scenario: The clock is an hour behind, and the callback is lost
      Given fault "process.mysql.clock-behind" is active
      And fault "app.payment-callback.dropped" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And no other alert is raised

    @control
    Scenario: The clock is an hour behind, and the callback is late
      Given fault "process.mysql.clock-behind" is active
      And fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

    @control
    Scenario: The clock is an hour ahead, and the callback is late
      Given fault "process.mysql.clock-ahead" is active
      And fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised
