"""How people who ask, their keys and secrets look in the two admin sites."""
