export function data() {
  process.exit(3);
}

export const loss = 'meanSquaredError';
