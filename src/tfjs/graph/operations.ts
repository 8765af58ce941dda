import type { GraphNode } from './graph-nodes.js';

/** Which inputs of an operation a gradient reaches, by position; negative ones count from the end. */
type Reach = 'all' | 'none' | readonly number[];

/** Names of operations in one text. */
const list = (names: string): string[] => names.split(/\s+/);

/** Operations whose inputs are all differentiated. */
const ALL = list(`
  Identity IdentityN Snapshot FakeQuantWithMinMaxVars Print EnsureShape
  MatMul _FusedMatMul BatchMatMul BatchMatMulV2 Einsum
  Conv1D Conv2D _FusedConv2D DepthwiseConv2dNative DepthwiseConv2d FusedDepthwiseConv2dNative Conv3D
  BiasAdd Add AddV2 AddN Sub Mul RealDiv Div DivNoNan Maximum Minimum Pow SquaredDifference Atan2
  Mod FloorMod
  Abs Acos Acosh Asin Asinh Atan Atanh Cos Cosh Elu Erf Exp Expm1 LeakyRelu Log Log1p Neg Prelu
  Reciprocal Relu Relu6 Rsqrt Selu Sigmoid Sin Sinh Softplus Sqrt Square Tan Tanh
  FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN Softmax LogSoftmax
  AvgPool MaxPool AvgPool3D MaxPool3D Pack Unpack Squeeze DepthToSpace`);

/** Operations whose first input is differentiated. */
const FIRST = list(`
  Reshape ExpandDims Transpose Pad PadV2 MirrorPad Tile BroadcastTo Slice StridedSlice SplitV Reverse
  ReverseV2 Gather GatherV2 GatherNd ResizeBilinear ResizeNearestNeighbor SpaceToBatchND BatchToSpaceND
  Mean Sum Max Min Prod Cumsum ClipByValue EuclideanNorm TopKV2 Cast`);

/** Operations whose results are integers, booleans, or constant almost everywhere. */
const NONE = list(`
  Shape ShapeN Size Rank ArgMax ArgMin Range LinSpace Fill Ones Zeros OnesLike ZerosLike OneHot
  Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr LogicalXor
  IsNan IsInf IsFinite All Any Floor FloorDiv Ceil Round Sign StopGradient NoOp
  RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal
  Const Placeholder PlaceholderWithDefault`);

const REACH: ReadonlyMap<string, Reach> = new Map<string, Reach>([
  ...ALL.map((op): [string, Reach] => [op, 'all']),
  ...FIRST.map((op): [string, Reach] => [op, [0]]),
  ...NONE.map((op): [string, Reach] => [op, 'none']),
  ['Conv2DBackpropInput', [1, 2]],
  ['Conv2dTranspose', [1, 2]],
  ['Select', [1, 2]],
  ['SelectV2', [1, 2]],
  ['Split', [1]],
]);

/** Operations that TensorFlow.js runs only in `executeAsync`, which has no gradients. */
const ASYNCHRONOUS: ReadonlySet<string> = new Set(['control', 'dynamic', 'hash_table']);

/** @returns whether the model can only run asynchronously with this node, or not at all */
export function isAsynchronous({ category }: GraphNode): boolean {
  return category === undefined || ASYNCHRONOUS.has(category);
}

/** @returns the inputs of a node that a gradient reaches; undefined for an operation without a gradient */
export function differentiableInputs(node: GraphNode): readonly number[] | undefined {
  const reach = reachOf(node);
  const positions = node.inputNames.map((_, i) => i);
  return reach === 'all' ? positions : reach === 'none' ? [] : reach;
}

function reachOf(node: GraphNode): Reach | undefined {
  const { op, inputNames, attrParams, category } = node;
  if (op === 'ConcatV2') return inputNames.map((_, i) => i).slice(0, -1);
  if (op === 'Concat') return inputNames.map((_, i) => i).slice(1);
  if (op === 'Cast' && attrParams.dtype?.value !== 'float32') return 'none';
  return REACH.get(op) ?? (category === 'custom' ? 'all' : undefined);
}

/** Operations of layers, with the inputs that are weights if they are constant. */
const LAYER_INPUTS: ReadonlyMap<string, readonly number[]> = new Map([
  ...list('Conv1D Conv2D _FusedConv2D DepthwiseConv2dNative DepthwiseConv2d').map(at(1, 2, 3)),
  ...list('FusedDepthwiseConv2dNative Conv3D BiasAdd Prelu').map(at(1, 2, 3)),
  ...list('MatMul _FusedMatMul BatchMatMul BatchMatMulV2 Einsum').map(at(0, 1, 2, 3)),
  ...list('Conv2DBackpropInput Conv2dTranspose').map(at(1)),
  ...list('Gather GatherV2 GatherNd').map(at(0)),
  // Inputs 3 and 4 are moving statistics.
  ...list('FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3').map(at(1, 2)),
]);

function at(...positions: number[]): (op: string) => [string, readonly number[]] {
  return (op) => [op, positions];
}

/** @returns inputs of a layer's operation at which constants are weights; none for other operations */
export function layerInputs({ op }: GraphNode): readonly number[] {
  return LAYER_INPUTS.get(op) ?? [];
}

/** @returns whether an operation takes rows of its first input by their index */
export function isLookUp({ op }: GraphNode): boolean {
  return op === 'Gather' || op === 'GatherV2';
}

/** Operations that may also add or multiply constants that are no weights, such as the mean of inputs. */
const MIXING: ReadonlySet<string> = new Set(list('Add AddV2 AddN Sub Mul RealDiv Div ConcatV2 Pack'));

/** @returns whether constants at the inputs are weights only if they meet values that come from a layer */
export function isMixing({ op }: GraphNode): boolean {
  return MIXING.has(op);
}

/** Operations through which a constant stays the same weight in another form. */
const FORMS: ReadonlySet<string> = new Set(
  list(
    'Identity Reshape ExpandDims Squeeze Transpose Cast Tile BroadcastTo Slice StridedSlice Split SplitV Unpack',
  ),
);

/** @returns whether an operation only brings a constant into another form */
export function isForm({ op }: GraphNode): boolean {
  return FORMS.has(op);
}
