@lp:charged-twice @tier:gate
Feature: A channel is closed by a person's word, and by nothing else
  Closing a channel stops every buyer who pays through it. The plan asks whoever is on duty; when nobody answers it
  leaves the channel open, and the alert stands.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY

  Scenario: Nobody answers while a buyer is charged twice
    Given fault "app.payment-retry.renumbered" is active
    When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
    Then alert "charged-twice" is raised in time for order "O-1"
    And plan "stop-channel" only asks in time for channel "alipay"
    And no other alert is raised
    And the loss is at most 199.00 CNY

  @control
  Scenario: Nobody is asked while a buyer is charged once
    Given fault "app.payment-retry.repeated" is active
    When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
    Then no alert is raised
