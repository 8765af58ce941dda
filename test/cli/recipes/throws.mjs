export function data() {
  throw new Error('the disk is on fire');
}

export const loss = 'meanSquaredError';
