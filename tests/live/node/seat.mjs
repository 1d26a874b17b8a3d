// Where a client sits: the server it talks to, its keys, and the agents that are there for it.

export const seat = JSON.parse(process.env.ROBUTLER_SEAT);

export const ask = (words) => [{ role: "user", content: words }];
