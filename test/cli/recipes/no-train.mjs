export const data = () => ({});
export const loss = 'meanSquaredError';
