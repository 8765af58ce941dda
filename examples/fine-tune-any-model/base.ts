import { openMemoryFiles } from 'neural-diff';
import { loadModel, modelFiles } from 'neural-diff/tfjs';
import { MobileNetV2Model } from 'nsfwjs/models/mobilenet_v2';

/** How the package embeds a model: `model.json` as a module, each weight shard as one with base64 text. */
interface EmbeddedModel {
  readonly modelJson: () => Promise<{ default: { weightsManifest: { paths: string[] }[] } }>;
  readonly weightBundles: readonly (() => Promise<{ default: string }>)[];
}

/**
 * Unpacks the model that the package `nsfwjs` ships as the folder that devices have. The shipped weights are
 * quantised to 8 bits; TensorFlow.js turns them into float32 when it loads them, and those are what is saved.
 *
 * @returns contents by path of a LayersModel folder
 */
export async function unpackBase(): Promise<Map<string, Uint8Array>> {
  const { modelJson, weightBundles } = MobileNetV2Model as EmbeddedModel;
  const json = (await modelJson()).default;
  const shipped = new Map([['model.json', new TextEncoder().encode(JSON.stringify(json))]]);
  const paths = json.weightsManifest.flatMap((group) => group.paths);
  for (const [i, bundle] of weightBundles.entries()) {
    shipped.set(paths[i] as string, Uint8Array.from(Buffer.from((await bundle()).default, 'base64')));
  }
  const model = await loadModel(openMemoryFiles(shipped));
  const files = await modelFiles(model);
  model.dispose();
  return files;
}
