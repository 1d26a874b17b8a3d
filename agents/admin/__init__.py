"""How agents and their runs look in the two admin sites."""
