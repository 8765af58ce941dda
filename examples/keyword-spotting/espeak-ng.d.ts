/** The part of the package that the example uses; the package has no types of its own. */
declare module '@echogarden/espeak-ng-emscripten' {
  export interface ESpeakNGWorker {
    get_samplerate(): number;
    /** @returns 0 if there is such a voice */
    set_voice(name: string): number;
    /** @param wordsPerMinute 80 to 450 */
    set_rate(wordsPerMinute: number): void;
    /** @param pitch 0 to 100 */
    set_pitch(pitch: number): void;
    /** @param onAudio gets the sound piece by piece; a true result stops the synthesis */
    synthesize(text: string, onAudio: (samples: Int16Array | null) => boolean): void;
  }

  const createModule: () => Promise<{ eSpeakNGWorker: new () => Promise<ESpeakNGWorker> }>;

  // biome-ignore lint/style/noDefaultExport: this is how the package exports it.
  export { createModule as default };
}
