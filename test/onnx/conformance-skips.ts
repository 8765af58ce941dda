/** Tests of ONNX's backends that are left out, by the reason. */
export const SKIPPED: Readonly<Record<string, string>> = {
  'Convolutions and pools of volumes': `
    averagepool_3d_default convtranspose_3d maxpool_3d_default
  `,
  Crops: `
    resize_tf_crop_and_resize
  `,
  'Data that calls bfloat16 uint16': `
    cast_BFLOAT16_to_FLOAT cast_FLOAT_to_BFLOAT16 castlike_BFLOAT16_to_FLOAT
    castlike_BFLOAT16_to_FLOAT_expanded castlike_FLOAT_to_BFLOAT16 castlike_FLOAT_to_BFLOAT16_expanded
  `,
  'Data with a fractional size; ONNX Runtime and PyTorch use the whole one': `
    resize_downsample_scales_cubic_align_corners resize_downsample_scales_linear_align_corners
  `,
  'Loops whose turns depend on values of inputs': `
    range_float_type_positive_delta_expanded
  `,
  'Models whose tensors are all empty': `
    resize_downsample_sizes_nearest_tf_half_pixel_for_nn
  `,
  'Operators and modes of training': `
    adagrad adagrad_multiple adam adam_multiple batchnorm_epsilon_training_mode
    batchnorm_example_training_mode gradient_of_add gradient_of_add_and_mul momentum momentum_multiple
    nesterov_momentum nllloss_NC nllloss_NCd1 nllloss_NCd1_ii nllloss_NCd1_mean_weight_negative_ii
    nllloss_NCd1_weight nllloss_NCd1_weight_ii nllloss_NCd1d2 nllloss_NCd1d2_no_weight_reduction_mean_ii
    nllloss_NCd1d2_reduction_mean nllloss_NCd1d2_reduction_sum nllloss_NCd1d2_with_weight
    nllloss_NCd1d2_with_weight_reduction_mean nllloss_NCd1d2_with_weight_reduction_sum
    nllloss_NCd1d2_with_weight_reduction_sum_ii nllloss_NCd1d2d3_none_no_weight_negative_ii
    nllloss_NCd1d2d3_sum_weight_high_ii nllloss_NCd1d2d3d4d5_mean_weight
    nllloss_NCd1d2d3d4d5_none_no_weight sce_NCd1_mean_weight_negative_ii
    sce_NCd1_mean_weight_negative_ii_expanded sce_NCd1_mean_weight_negative_ii_log_prob
    sce_NCd1_mean_weight_negative_ii_log_prob_expanded sce_NCd1d2d3_none_no_weight_negative_ii
    sce_NCd1d2d3_none_no_weight_negative_ii_expanded sce_NCd1d2d3_none_no_weight_negative_ii_log_prob
    sce_NCd1d2d3_none_no_weight_negative_ii_log_prob_expanded sce_NCd1d2d3_sum_weight_high_ii
    sce_NCd1d2d3_sum_weight_high_ii_expanded sce_NCd1d2d3_sum_weight_high_ii_log_prob
    sce_NCd1d2d3_sum_weight_high_ii_log_prob_expanded sce_NCd1d2d3d4d5_mean_weight
    sce_NCd1d2d3d4d5_mean_weight_expanded sce_NCd1d2d3d4d5_mean_weight_log_prob
    sce_NCd1d2d3d4d5_mean_weight_log_prob_expanded sce_NCd1d2d3d4d5_none_no_weight
    sce_NCd1d2d3d4d5_none_no_weight_expanded sce_NCd1d2d3d4d5_none_no_weight_log_prob
    sce_NCd1d2d3d4d5_none_no_weight_log_prob_expanded sce_mean sce_mean_3d sce_mean_3d_expanded
    sce_mean_3d_log_prob sce_mean_3d_log_prob_expanded sce_mean_expanded sce_mean_log_prob
    sce_mean_log_prob_expanded sce_mean_no_weight_ii sce_mean_no_weight_ii_3d
    sce_mean_no_weight_ii_3d_expanded sce_mean_no_weight_ii_3d_log_prob
    sce_mean_no_weight_ii_3d_log_prob_expanded sce_mean_no_weight_ii_4d
    sce_mean_no_weight_ii_4d_expanded sce_mean_no_weight_ii_4d_log_prob
    sce_mean_no_weight_ii_4d_log_prob_expanded sce_mean_no_weight_ii_expanded
    sce_mean_no_weight_ii_log_prob sce_mean_no_weight_ii_log_prob_expanded sce_mean_weight
    sce_mean_weight_expanded sce_mean_weight_ii sce_mean_weight_ii_3d sce_mean_weight_ii_3d_expanded
    sce_mean_weight_ii_3d_log_prob sce_mean_weight_ii_3d_log_prob_expanded sce_mean_weight_ii_4d
    sce_mean_weight_ii_4d_expanded sce_mean_weight_ii_4d_log_prob
    sce_mean_weight_ii_4d_log_prob_expanded sce_mean_weight_ii_expanded sce_mean_weight_ii_log_prob
    sce_mean_weight_ii_log_prob_expanded sce_mean_weight_log_prob sce_mean_weight_log_prob_expanded
    sce_none sce_none_expanded sce_none_log_prob sce_none_log_prob_expanded sce_none_weights
    sce_none_weights_expanded sce_none_weights_log_prob sce_none_weights_log_prob_expanded sce_sum
    sce_sum_expanded sce_sum_log_prob sce_sum_log_prob_expanded training_dropout
    training_dropout_default training_dropout_default_mask training_dropout_mask
    training_dropout_zero_ratio_mask
  `,
  'Operators before version 7': `
    AvgPool1d AvgPool1d_stride AvgPool2d AvgPool2d_stride AvgPool3d AvgPool3d_stride
    AvgPool3d_stride1_pad0_gpu_input BatchNorm1d_3d_input_eval BatchNorm2d_eval
    BatchNorm2d_momentum_eval BatchNorm3d_eval BatchNorm3d_momentum_eval ConstantPad2d Conv1d
    Conv1d_dilated Conv1d_groups Conv1d_pad1 Conv1d_pad1size1 Conv1d_pad2 Conv1d_pad2size1 Conv1d_stride
    Conv2d Conv2d_depthwise Conv2d_depthwise_padded Conv2d_depthwise_strided
    Conv2d_depthwise_with_multiplier Conv2d_dilated Conv2d_groups Conv2d_groups_thnn Conv2d_no_bias
    Conv2d_padding Conv2d_strided Conv3d Conv3d_dilated Conv3d_dilated_strided Conv3d_groups
    Conv3d_no_bias Conv3d_stride Conv3d_stride_padding ConvTranspose2d ConvTranspose2d_no_bias ELU
    Embedding Embedding_sparse GLU GLU_dim LeakyReLU LeakyReLU_with_negval Linear Linear_no_bias
    LogSoftmax MaxPool1d MaxPool1d_stride MaxPool2d MaxPool3d MaxPool3d_stride MaxPool3d_stride_padding
    PReLU_1d PReLU_1d_multiparam PReLU_2d PReLU_2d_multiparam PReLU_3d PReLU_3d_multiparam PixelShuffle
    PoissonNLLLLoss_no_reduce ReLU ReflectionPad2d ReplicationPad2d SELU Sigmoid Softmax Softmin
    Softplus Softsign Tanh ZeroPad2d elu elu_default elu_example globalaveragepool
    globalaveragepool_precomputed globalmaxpool globalmaxpool_precomputed hardsigmoid
    hardsigmoid_default hardsigmoid_example instancenorm_epsilon instancenorm_example log_softmax_dim3
    log_softmax_lastdim not_2d not_3d not_4d operator_add_broadcast operator_add_size1_broadcast
    operator_add_size1_right_broadcast operator_add_size1_singleton_broadcast operator_addconstant
    operator_addmm operator_basic operator_chunk operator_clip operator_concat2 operator_conv
    operator_convtranspose operator_exp operator_flatten operator_index operator_max operator_maxpool
    operator_min operator_mm operator_non_float_params operator_pad operator_params operator_permute2
    operator_pow operator_reduced_mean operator_reduced_mean_keepdim operator_reduced_sum
    operator_reduced_sum_keepdim operator_repeat operator_repeat_dim_overflow operator_selu
    operator_sqrt operator_symbolic_override operator_symbolic_override_nested operator_view
    reduce_log_sum selu selu_default selu_example softmax_functional_dim3 softmax_lastdim softplus
    softplus_example softsign softsign_example
  `,
  'Operators that are not supported': `
    bitshift_left_uint16 bitshift_left_uint32 bitshift_left_uint64 bitshift_left_uint8
    bitshift_right_uint16 bitshift_right_uint32 bitshift_right_uint64 bitshift_right_uint8
    blackmanwindow blackmanwindow_symmetric compress_0 compress_1 compress_default_axis
    compress_negative_axis det_2d det_nd dft dft_axis dft_inverse gridsample
    gridsample_aligncorners_true gridsample_bicubic gridsample_bilinear gridsample_border_padding
    gridsample_nearest gridsample_reflection_padding gridsample_zeros_padding hammingwindow
    hammingwindow_symmetric hannwindow hannwindow_symmetric hardmax_axis_0 hardmax_axis_1 hardmax_axis_2
    hardmax_default_axis hardmax_example hardmax_negative_axis hardmax_one_hot
    maxunpool_export_with_output_shape maxunpool_export_without_output_shape melweightmatrix mvn
    nonmaxsuppression_center_point_box_format nonmaxsuppression_flipped_coordinates
    nonmaxsuppression_identical_boxes nonmaxsuppression_limit_output_size nonmaxsuppression_single_box
    nonmaxsuppression_suppress_by_IOU nonmaxsuppression_suppress_by_IOU_and_scores
    nonmaxsuppression_two_batches nonmaxsuppression_two_classes roialign_aligned_false
    roialign_aligned_true scan9_sum scan_sum shrink shrink_hard shrink_soft stft stft_with_window
    unique_not_sorted_without_axis unique_sorted_with_axis unique_sorted_with_axis_3d
    unique_sorted_with_negative_axis unique_sorted_without_axis
  `,
  'Outputs that inference does not need: masks, indices of pools': `
    dropout_default_mask dropout_default_mask_ratio maxpool_with_argmax_2d_precomputed_pads
    maxpool_with_argmax_2d_precomputed_strides
  `,
  'Pools of integers': `
    maxpool_2d_uint8
  `,
  'Products at places that occur twice': `
    scatternd_multiply
  `,
  'Random numbers': `
    bernoulli bernoulli_double bernoulli_double_expanded bernoulli_expanded bernoulli_seed
    bernoulli_seed_expanded
  `,
  'Results larger than what reaches them': `
    convtranspose_output_shape
  `,
  'Texts, sequences and optional values': `
    cast_FLOAT_to_STRING cast_STRING_to_FLOAT castlike_FLOAT_to_STRING castlike_FLOAT_to_STRING_expanded
    castlike_STRING_to_FLOAT castlike_STRING_to_FLOAT_expanded identity_opt identity_sequence if_opt
    if_seq loop13_seq loop16_seq_none optional_get_element optional_get_element_sequence
    optional_has_element optional_has_element_empty sequence_insert_at_back sequence_insert_at_front
    sequence_map_add_1_sequence_1_tensor sequence_map_add_1_sequence_1_tensor_expanded
    sequence_map_add_2_sequences sequence_map_add_2_sequences_expanded sequence_map_extract_shapes
    sequence_map_extract_shapes_expanded sequence_map_identity_1_sequence
    sequence_map_identity_1_sequence_1_tensor sequence_map_identity_1_sequence_1_tensor_expanded
    sequence_map_identity_1_sequence_expanded sequence_map_identity_2_sequences
    sequence_map_identity_2_sequences_expanded sequence_model1 sequence_model2 sequence_model3
    sequence_model4 sequence_model5 sequence_model6 sequence_model7 sequence_model8
    strnorm_model_monday_casesensintive_lower strnorm_model_monday_casesensintive_nochangecase
    strnorm_model_monday_casesensintive_upper strnorm_model_monday_empty_output
    strnorm_model_monday_insensintive_upper_twodim strnorm_model_nostopwords_nochangecase
    strnormalizer_export_monday_casesensintive_lower
    strnormalizer_export_monday_casesensintive_nochangecase
    strnormalizer_export_monday_casesensintive_upper strnormalizer_export_monday_empty_output
    strnormalizer_export_monday_insensintive_upper_twodim strnormalizer_nostopwords_nochangecase
    tfidfvectorizer_tf_batch_onlybigrams_skip0 tfidfvectorizer_tf_batch_onlybigrams_skip5
    tfidfvectorizer_tf_batch_uniandbigrams_skip5 tfidfvectorizer_tf_only_bigrams_skip0
    tfidfvectorizer_tf_onlybigrams_levelempty tfidfvectorizer_tf_onlybigrams_skip5
    tfidfvectorizer_tf_uniandbigrams_skip5
  `,
};

/** Tests of pools with thousands of pixels each, which pass but take seconds and minutes. */
export const SLOW: ReadonlySet<string> = new Set([
  'MaxPool1d_stride_padding_dilation',
  'MaxPool2d_stride_padding_dilation',
]);
