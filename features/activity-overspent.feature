@lp:activity-overspent
Feature: An activity gives away no more than its budget
  Where nothing holds the sum against the budget, an activity runs on until somebody happens to look.

  Background:
    Given activity "A-1" has a budget of 100.00 CNY
    And fault "app.activity.budget-unchecked" is active

  @tier:gate
  Scenario: Two coupons of 60.00 out of a budget of 100.00
    When 2 coupons of 60.00 CNY of activity "A-1" are redeemed
    Then alert "activity-overspent" is raised in time for activity "A-1"
    And the alert puts 20.00 CNY at risk
    And plan "stop-activity" is effective in time for activity "A-1"
    And no other alert is raised
    And the loss is at most 20.00 CNY

  @control @tier:gate
  Scenario: Two coupons of 50.00 out of a budget of 100.00
    When 2 coupons of 50.00 CNY of activity "A-1" are redeemed
    Then no alert is raised

  @control @tier:nightly
  Scenario: A budget that is used up to the cent by many
    When 5 coupons of 20.00 CNY of activity "A-1" are redeemed
    Then no alert is raised
