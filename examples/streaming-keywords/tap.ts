// The program of the audio thread: passes sound on to the page, one channel, some milliseconds at a time.

/** What the audio thread offers to its programs. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** Samples of a message: 8 ms at 16 kHz, so that frames come evenly. */
const SAMPLES = 128;

class Tap extends AudioWorkletProcessor {
  #held = new Float32Array(SAMPLES);
  #count = 0;

  /** @returns true: there may be more sound later */
  process([channels]: readonly (readonly Float32Array[])[]): boolean {
    const length = channels?.[0]?.length ?? 0;
    for (let i = 0; i < length; i++) {
      const sum = (channels as Float32Array[]).reduce((all, channel) => all + (channel[i] as number), 0);
      this.#held[this.#count] = sum / (channels as Float32Array[]).length;
      this.#count += 1;
      if (this.#count === SAMPLES) this.#send();
    }
    return true;
  }

  #send(): void {
    this.port.postMessage(this.#held, [this.#held.buffer]);
    this.#held = new Float32Array(SAMPLES);
    this.#count = 0;
  }
}

registerProcessor('tap', Tap);
