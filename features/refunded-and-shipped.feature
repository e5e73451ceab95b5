@lp:refunded-and-shipped
Feature: An order that is refunded in full stays in its warehouse
  The buyer cancels and has the money back; the word to the warehouse is lost, and the goods leave too.

  Background:
    Given order "O-1" of 199.00 CNY was paid and waits at warehouse "WH-1"

  Rule: Refunded goods that leave hold their warehouse, and only that warehouse

    @tier:gate
    Scenario: All of the order is refunded, and the warehouse does not hear of it
      Given fault "app.shipment-cancel.lost" is active
      When 199.00 CNY of order "O-1" is refunded
      And the warehouse sends order "O-1"
      Then alert "refunded-and-shipped" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "hold-fulfilment" is effective in time for warehouse "WH-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control @tier:gate
    Scenario: A part of the order is refunded, and the rest is sent
      Given fault "app.shipment-cancel.lost" is active
      When 20.00 CNY of order "O-1" is refunded
      And the warehouse sends order "O-1"
      Then no alert is raised

  Rule: What left before it was refunded comes back

    @control @tier:nightly
    Scenario: The goods are sent, and refunded when they are back
      When the warehouse sends order "O-1"
      And 199.00 CNY of order "O-1" is refunded
      Then no alert is raised

    @control @tier:nightly
    Scenario: Of two orders the refunded one is kept back
      Given order "O-2" of 299.00 CNY was paid and waits at warehouse "WH-1"
      When 199.00 CNY of order "O-1" is refunded
      And the warehouse sends order "O-1"
      And the warehouse sends order "O-2"
      Then no alert is raised
