@lp:forged-callback
Feature: An order counts as paid only where the channel has collected
  Whoever can post "paid" without the channel's secret gets goods for nothing.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY
    And fault "app.callback-signature.unchecked" is active

  @tier:gate
  Scenario: Someone without the channel's secret says "paid"
    When a callback signed by "mallory" reports order "O-1" as paid 199.00 CNY
    Then alert "forged-callback" is raised in time for order "O-1"
    And the alert puts 199.00 CNY at risk
    And plan "strike-out-forgery" is effective in time for order "O-1"
    And no other alert is raised
    And the loss is at most 199.00 CNY

  @control @tier:gate
  Scenario: The channel says "paid"
    When a callback signed by "alipay" reports order "O-1" as paid 199.00 CNY
    Then no alert is raised

  @control @tier:nightly
  Scenario: Two buyers pay at the same time, through two channels
    Given order "O-2" awaits payment of 299.00 CNY
    When a callback signed by "wechat" reports order "O-2" as paid 299.00 CNY
    And a callback signed by "alipay" reports order "O-1" as paid 199.00 CNY
    Then no alert is raised
