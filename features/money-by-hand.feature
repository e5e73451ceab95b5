@lp:money-fixed-by-hand
Feature: What a merchant is owed changes by business, or by a ticket
  A fix that is typed into the books has no sale behind it, and is paid like any other bill.

  Background:
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"

  Rule: A fix that no ticket covers stops the merchant's payouts

    @tier:gate
    Scenario: The ticket says 450.00, and a digit too many is typed
      Given ticket "T-1" to add 450.00 CNY to bill "B-1" is approved
      When fault "data.bill-amount.edited" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then alert "money-fixed-by-hand" is raised in time for merchant "M-1"
      And the alert puts 4,050.00 CNY at risk
      And plan "payout-breaker" is effective in time for merchant "M-1"
      And no other alert is raised
      And the loss is at most 4,050.00 CNY

    @control @tier:gate
    Scenario: The ticket says 4,500.00, and that is typed
      Given ticket "T-1" to add 4,500.00 CNY to bill "B-1" is approved
      When fault "data.bill-amount.edited" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then no alert is raised

  Rule: Honest sales need no ticket

    @control @tier:nightly
    Scenario: The bill grows by new sales
      When 90.00 CNY of new sales is added to bill "B-1"
      And 4,410.00 CNY of new sales is added to bill "B-1"
      Then no alert is raised
