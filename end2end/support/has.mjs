// Pages that are not served yet; whoever brings them says so here, and their journeys run.
export const HAS = { first: true, account: true, links: true, admin: false };
