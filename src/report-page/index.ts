export type { GalleryEntry, GalleryFact } from './gallery.js';
export { renderGalleryPage, renderReportPage } from './render-pages.js';
