export { product, productScratch } from './product';
