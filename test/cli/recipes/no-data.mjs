export const loss = 'meanSquaredError';
