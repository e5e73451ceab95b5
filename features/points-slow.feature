@lp:dependency-degraded @tier:gate
Feature: A service that orders can do without does not hold them up
  The checkout asks the points service for the points of each paid order, asks again where the answer does not come in
  time, and waits. When that takes too long, orders are taken without points until the service is well again.

  Background:
    Given order "O-1" was paid 199.00 CNY and earns points

  Scenario: The points service answers slowly
    Given fault "app.points.slow" is active
      | by | 900 ms |
    When the payment message of order "O-1" reaches the points service 20 times
    Then alert "dependency-degraded" is raised in time for dependency "checkout/points"
    And plan "drop-points" is effective in time for service "checkout"
    And no other alert is raised

  @control
  Scenario: The points service answers in good time
    Given fault "app.points.slow" is active
      | by | 90 ms |
    When the payment message of order "O-1" reaches the points service 20 times
    Then no alert is raised
