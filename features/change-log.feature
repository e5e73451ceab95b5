@tier:gate
Feature: The change log goes on, whatever the database does with its files
  A database ends one log file and begins the next, and throws old ones away to make room. Neither may cost the
  watcher a single sale: what was not read is told as not read.

  @lp:bid-below-market
  Rule: A bid far below the market is caught across two log files

    Background:
      Given item "SKU-1" has a 7-day median of 1,999.00 CNY
      And fault "app.price-guard.bypassed" is active

    Scenario: The log is rotated just before the mistaken bid
      When fault "mysql.binlog.rotated" strikes
      And a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1"
      Then alert "bid-below-market" is raised in time for item "SKU-1"
      And no other alert is raised

    @control
    Scenario: The log is rotated just before an honest bid
      When fault "mysql.binlog.rotated" strikes
      And a seller who means 1,999.00 CNY bids 1,999.00 CNY for item "SKU-1"
      Then no alert is raised

  @lp:change-capture-stalled
  Rule: A log that is gone before it was read is told as a gap

    Background:
      Given order "O-1" was paid 199.00 CNY through channel "alipay"

    Scenario: The log is thrown away before it was read
      When fault "mysql.binlog.purged" strikes
      Then alert "change-capture-stalled" is raised in time for source "binlog"
      And no other alert is raised

    @control
    Scenario: A new log is begun, and the old one stays until it is read
      When fault "mysql.binlog.rotated" strikes
      Then no alert is raised
