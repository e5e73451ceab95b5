@lp:promotions-stacked
Feature: Promotions that exclude one another are not added up
  A checkout that takes both sells below what anybody has calculated.

  Background:
    Given promotion "P-1" of 30.00 CNY in exclusion group "G-1" belongs to activity "A-1"

  @tier:gate
  Scenario: Two promotions of one group on one order
    Given promotion "P-2" of 20.00 CNY in exclusion group "G-1" belongs to activity "A-1"
    And fault "app.promotion.exclusion-unchecked" is active
    When order "O-1" is placed with promotions "P-1" and "P-2"
    Then alert "promotions-stacked" is raised in time for order "O-1"
    And the alert puts 20.00 CNY at risk
    And plan "stop-activity" is effective in time for activity "A-1"
    And no other alert is raised
    And the loss is at most 20.00 CNY

  @control @tier:gate
  Scenario: Two promotions of two groups on one order
    Given promotion "P-2" of 20.00 CNY in exclusion group "G-2" belongs to activity "A-1"
    And fault "app.promotion.exclusion-unchecked" is active
    When order "O-1" is placed with promotions "P-1" and "P-2"
    Then no alert is raised

  @control @tier:nightly
  Scenario: A sound checkout takes the better of the two
    Given promotion "P-2" of 20.00 CNY in exclusion group "G-1" belongs to activity "A-1"
    When order "O-1" is placed with promotions "P-1" and "P-2"
    Then no alert is raised
