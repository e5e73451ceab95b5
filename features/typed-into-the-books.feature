@lp:money-fixed-by-hand @tier:nightly
Feature: Whatever a hand types into a merchant's bill is found
  Fixes are typed in a hurry: a digit, a sign, a currency, a name that only looks right. No bill is paid by them.

  Background:
    Given bill "B-1" of 300.00 CNY is open for merchant "M-1"
    And bill "B-2" of 500.00 CNY is open for merchant "M-2"
    And ticket "T-1" to add 4,500.00 CNY to bill "B-2" is approved

  Rule: What no ticket covers stops the merchant's payouts

    Scenario Outline: The ticket says 5,000.00, and <what> is typed
      When fault "<fault>" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then alert "money-fixed-by-hand" is raised in time for merchant "M-2"
      And the alert puts <at risk> CNY at risk
      And plan "payout-breaker" is effective in time for merchant "M-2"
      And no other alert is raised

      Examples:
        | what                     | fault                         | at risk                  |
        | the fen as yuan          | data.bill-amount.hundredfold  | 45,000.00                |
        | a digit too few          | data.bill-amount.tenth        | 4,950.00                 |
        | the wrong sign           | data.bill-amount.negated      | 5,500.00                 |
        | all that the books hold  | data.bill-amount.overflowing  | 9,999,999,999,994,999.99 |
        | more than a float can do | data.bill-amount.beyond-float | 90,071,992,542,409.93    |

    Scenario: The ticket says one bill, and all are changed
      When fault "data.bill-amount.edited-everywhere" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then alert "money-fixed-by-hand" is raised in time for merchant "M-1"
      And no other alert is raised

  Rule: A bill stays its merchant's, and in its currency

    Scenario: The amount is right, and the currency is another
      When fault "data.bill-currency.changed" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then alert "bill-rewritten" is raised in time for merchant "M-2"
      And the alert puts 500.00 CNY at risk
      And plan "payout-breaker" is effective in time for merchant "M-2"
      And no other alert is raised

    Scenario Outline: The amount is right, and the merchant is <who>
      When fault "<fault>" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then alert "bill-rewritten" is raised in time for merchant "M-2"
      And the alert puts 500.00 CNY at risk
      And no other alert is raised

      Examples:
        | who                               | fault                         |
        | one whose name looks the same     | data.bill-merchant.look-alike |
        | a text that breaks out of a query | data.bill-merchant.injected   |

  Rule: What a ticket covers is nobody's business

    @control
    Scenario: The ticket says 5,000.00, and that is typed
      When fault "data.bill-amount.edited" strikes
      And 90.00 CNY of new sales is added to bill "B-1"
      Then no alert is raised
