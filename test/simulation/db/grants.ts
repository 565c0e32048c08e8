/** Tokens do not end here, and nobody's health changes: a target whose token is refused fails after its tries. */
export const findGrant = async (): Promise<undefined> => undefined;
export const setHealth = async (): Promise<[]> => [];
