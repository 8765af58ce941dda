export const data = () => ({});
