@lp:paid-amount-mismatch
Feature: An order is paid in full or not at all
  A buyer changes the amount in the request, the channel charges just that, and the order counts as paid.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY

  Rule: What was charged is held against what the order asks

    @tier:gate
    Scenario: A buyer pays 1.99 for an order of 199.00
      Given fault "app.payment-amount.unchecked" is active
      When a buyer pays 1.99 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-amount-mismatch" is raised in time for order "O-1"
      And the alert puts 197.01 CNY at risk
      And no other alert is raised
      And the loss is at most 197.01 CNY

    @tier:gate @control
    Scenario: A buyer pays 199.00 for an order of 199.00
      Given fault "app.payment-amount.unchecked" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

  Rule: Orders of different prices do not mix

    @control @tier:nightly
    Scenario: Two orders, each paid with its own amount
      Given order "O-2" awaits payment of 1.99 CNY
      When a buyer pays 1.99 CNY for order "O-2" through channel "alipay" and is charged
      And a buyer pays 199.00 CNY for order "O-1" through channel "wechat" and is charged
      Then no alert is raised
