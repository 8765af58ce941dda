export { convFilterGradient, convInputGradient } from './convolution';
export { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise';
export { gruBackward, gruForward } from './gru';
export { lstmBackward, lstmForward } from './lstm';
export { adam, trackSquares } from './optimiser';
export { averagePoolGradient, maxPoolGradient } from './pooling';
export { product, productScratch } from './product';
export { normalise, normaliseGradient, scaleColumns, sumDeviations, sumRows } from './rows';
