@lp:charged-twice
Feature: A buyer is charged once for an order
  An answer of the channel is lost, the shop asks again, and the buyer pays twice for the same shoes.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY
    And a person on duty approves the plans that ask

  Rule: A second charge stops the channel, and only that channel

    @tier:gate
    Scenario: The shop asks again under a new number
      Given fault "app.payment-retry.renumbered" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "charged-twice" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "stop-channel" is effective in time for channel "alipay"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: The shop asks again under the same number
      Given fault "app.payment-retry.repeated" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

  Rule: Two orders are two charges

    @control @tier:nightly
    Scenario: Two orders of one amount, each charged once
      Given order "O-2" awaits payment of 199.00 CNY
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      And a buyer pays 199.00 CNY for order "O-2" through channel "alipay" and is charged
      Then no alert is raised
