export type { GalleryEntry, GalleryFact } from './gallery.js';
export { checkReportPage, renderGalleryPage, renderReportPage } from './render-pages.js';
