export const insertPokeRequest = async (): Promise<void> => {};
