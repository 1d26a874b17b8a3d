"""How money looks in the two admin sites: to be read, and by staff to be topped up and priced."""
