# frozen_string_literal: true

require 'json'
require 'stringio'

module FunctoryLambda
  # A function's handler: "file.method" or "file.Module::Class.method".
  class Handler
    def initialize(name, root)
      parts = name.split('.')
      unless [2, 3].include?(parts.length)
        raise ArgumentError, "Invalid handler #{name}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                             'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                             'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                             'class-level method.'
      end
      @file = File.expand_path(parts.first, root)
      @class_name = parts[1] if parts.length == 3
      @method = parts.last.to_sym
    end

    def load
      require @file
      @receiver = @class_name ? Kernel.const_get(@class_name) : nil
    end

    # Body and content type of the answer.
    def call(body, content_type, context)
      event = read(body, content_type)
      answer = if @receiver
                 @receiver.send(@method, event: event, context: context)
               else
                 Object.new.send(@method, event: event, context: context)
               end
      write(answer)
    end

    private

    def read(body, content_type)
      return StringIO.new(body.to_s) unless content_type.nil? || content_type.start_with?('application/json')

      JSON.parse(body.to_s.dup.force_encoding('UTF-8'))
    end

    def write(answer)
      return [answer.string, 'application/unknown'] if answer.is_a?(StringIO)

      [answer.to_json, 'application/json']
    end
  end
end
