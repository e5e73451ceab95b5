@lp:bid-below-market @tier:nightly
Feature: A price that is looked up too early is looked up again
  Prices are compared with what a copy of the books says, and the copy may be behind. An answer from before the bid is
  none: who takes it lets a lost digit pass.

  Background:
    Given item "SKU-1" has a 7-day median of 1,999.00 CNY
    And fault "app.price-guard.bypassed" is active

  Rule: A copy that is behind hides no lost digit

    Scenario: The copy is behind while a digit is lost
      When fault "mysql.replica.lagging" strikes
      And a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And the alert puts 1,799.10 CNY at risk
      And plan "take-off-sale" is effective in time for item "SKU-1"
      And no other alert is raised

    @control
    Scenario: The copy is behind while no digit is lost
      When fault "mysql.replica.lagging" strikes
      And a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
      Then no alert is raised

  Rule: A copy that is up to date stops no honest bid

    @control
    Scenario: An honest cut of 10 percent beside an up-to-date copy
      When a seller who means 1,799.10 CNY bids 1,799.10 CNY for item "SKU-1"
      Then no alert is raised
