Feature: What provokes the faults that no shipped scenario names, or that plans of others would stop

  Scenario: mysql.statement.refused
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.statement.slow
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.commit.ambiguous
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.read.stale
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "alipay" and is charged
    And refund "R-1" of 1.00 CNY on order "O-1" is paid out
    And refund "R-2" of 1.00 CNY on order "O-1" is paid out

  Scenario: mysql.dcheck-statement.refused
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.dcheck-statement.slow
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.dcheck-commit.ambiguous
    Given order "O-1" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "alipay" and is charged

  Scenario: mysql.dcheck-read.stale
    Given item "SKU-1" has a 7-day median of 1,999.00 CNY
    When a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
    And a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"

  Scenario: kafka.record.dropped
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.record.doubled
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.record.late
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.record.reordered
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.record.tampered
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.record.poisoned
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.answer.refused
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.answer.slow
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.answer.lost
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.dcheck-answer.refused
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.dcheck-answer.slow
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.dcheck-answer.lost
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.coordinator.moved
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: kafka.dcheck-coordinator.moved
    Given order "O-1" awaits payment of 10.00 CNY
    And order "O-2" awaits payment of 10.00 CNY
    When a buyer pays 10.00 CNY for order "O-1" through channel "unionpay" and is charged
    And a buyer pays 10.00 CNY for order "O-2" through channel "unionpay" and is charged

  Scenario: The intake of refunds stands still for a moment
    Given order "O-1" was paid 10.00 CNY through channel "alipay"
    When refund "R-1" of 1.00 CNY on order "O-1" is paid out
    And fault "kafka.offsets.kept" strikes

  Scenario: The intake of refunds is set back
    Given order "O-1" was paid 10.00 CNY through channel "alipay"
    When refund "R-1" of 1.00 CNY on order "O-1" is paid out
    And fault "kafka.offsets.rewound" strikes

  Scenario: The reconciler is set back
    Given order "O-1" was paid 10.00 CNY through channel "alipay"
    When refund "R-1" of 1.00 CNY on order "O-1" is paid out
    And fault "kafka.dcheck-offsets.rewound" strikes
      | topic | channel.flow |

  Scenario: watcher.plan-executor.lying
    Given item "SKU-1" has a 7-day median of 1,999.00 CNY
    And fault "app.price-guard.bypassed" is active
    When a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"

  Scenario: data.bill-amount.hundredfold
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.tenth
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.cent-off
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.negated
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.overflowing
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.beyond-float
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-currency.changed
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-merchant.look-alike
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-merchant.injected
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.bill-amount.edited-everywhere
    Given bill "B-1" of 500.00 CNY is open for merchant "M-1"
    And bill "B-2" of 20.00 CNY is open for merchant "M-2"
    When 90.00 CNY of new sales is added to bill "B-1"

  Scenario: data.wallet-leg.doubled
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 1.00 CNY
    When 30.00 CNY is transferred from account "W-1" to account "W-2"

  Scenario: data.wallet-leg.removed
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 1.00 CNY
    When 30.00 CNY is transferred from account "W-1" to account "W-2"

  Scenario: data.wallet-leg.misdirected
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 1.00 CNY
    When 30.00 CNY is transferred from account "W-1" to account "W-2"

  Scenario: data.wallet-leg.redated
    Given account "W-1" holds 100.00 CNY
    And account "W-2" holds 1.00 CNY
    When 30.00 CNY is transferred from account "W-1" to account "W-2"

  Scenario: data.promotion-face.tenfold
    Given activity "A-1" has a budget of 100.00 CNY
    And promotion "P-1" of 30.00 CNY in exclusion group "G-1" belongs to activity "A-1"
    And promotion "P-2" of 20.00 CNY in exclusion group "G-2" belongs to activity "A-1"
    When order "O-1" is placed with promotions "P-1" and "P-2"

  Scenario: An order is shared out by a wrong rate
    Given order "O-1" of merchant "M-1" was paid 199.00 CNY
    When order "O-1" is settled 1 time
    And fault "data.settle-share.wrong-rate" strikes
