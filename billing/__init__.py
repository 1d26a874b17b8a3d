"""Money: accounts, holds, prices, and the one ledger that moves it."""
