export function data() {
  setTimeout(() => {
    throw new Error('out of nowhere');
  });
  return new Promise(() => {});
}

export const loss = 'meanSquaredError';
